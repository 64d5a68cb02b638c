/** How large the run is, from the environment; every value has a default and a range. */

export interface Settings {
  readonly engine: string;
  readonly workers: number;
  readonly tasks: number;
  readonly maxAttempts: number;
  /** Tasks the queue holds; above it, publishing waits. */
  readonly capacity: number;
  /** Decides which attempts fail: the same seed, the same failures. */
  readonly seed: number;
}

export function settingsFrom(environment: NodeJS.ProcessEnv): Settings {
  const whole = (name: string, fallback: number, most: number): number => {
    const text = environment[name] ?? String(fallback);
    const value = Number(text);
    if (Number.isInteger(value) && value >= 1 && value <= most) return value;
    console.error(`${name} must be a whole number from 1 to ${most}, got "${text}"`);
    process.exit(2);
  };
  return {
    engine: environment['MALOTE_ENGINE'] ?? 'memory',
    workers: whole('WORKERS', 3, 1_000),
    tasks: whole('TASKS', 10, 1_000_000),
    maxAttempts: whole('MAX_ATTEMPTS', 3, 1_000),
    capacity: whole('CAPACITY', 5, 1_000_000),
    seed: whole('SEED', 2, 1_000_000),
  };
}
