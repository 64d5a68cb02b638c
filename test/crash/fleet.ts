/**
 * Child processes of a test: started, watched, and ended by their id whatever the test does. A
 * child that ends without having been asked to is a failure, told with what it wrote to its error
 * stream.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** What a child sends its supervisor. */
export interface Notice {
  readonly kind: string;
  readonly label?: string;
  readonly code?: string;
  readonly attempt?: number;
  readonly at?: number;
  readonly messages?: number;
  readonly accepted?: number;
  readonly codes?: Readonly<Record<string, number>>;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Child {
  readonly name: string;
  readonly process: ChildProcess;
  /** Everything it has sent so far. */
  readonly notices: readonly Notice[];
  /** Resolves with the first notice that fits, also one that came before. */
  notice(fits: (notice: Notice) => boolean): Promise<Notice>;
  /** Resolves once that many notices fit. */
  noticesOf(kind: string, count: number): Promise<readonly Notice[]>;
  tell(text: object): void;
  signal(signal: NodeJS.Signals): void;
  readonly ended: Promise<Ended>;
  /** What it wrote to its error stream. */
  readonly errors: string;
}

export interface Fleet {
  start(program: string, name: string, setup: object): Child;
  /** Ends every child that is still there, and waits for it. */
  end(): Promise<void>;
  /** What children wrote to their error streams, and ends that nobody asked for. */
  complaints(): readonly string[];
}

export function createFleet(): Fleet {
  const living = new Set<Child>();
  const complaints: string[] = [];

  function start(program: string, name: string, setup: object): Child {
    const forked = fork(join(import.meta.dirname, program), [JSON.stringify(setup)], {
      execArgv: ['--conditions=malote-source'],
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    const child = createChild(name, forked);
    living.add(child);
    void child.ended.then(() => {
      living.delete(child);
      if (child.errors !== '') complaints.push(`${name}: ${child.errors}`);
    });
    return child;
  }

  return {
    start,
    async end() {
      const children = [...living];
      for (const child of children) child.signal('SIGKILL');
      await Promise.all(children.map(({ ended }) => ended));
    },
    complaints: () => complaints,
  };
}

interface Awaited {
  fits(): boolean;
  resolve(): void;
  reject(error: Error): void;
}

function createChild(name: string, process: ChildProcess): Child {
  const notices: Notice[] = [];
  let awaited: Awaited[] = [];
  let isOver = false;
  let errors = '';
  const ended = once(process, 'close').then(
    ([code, signal]): Ended => ({ code: code as number, signal: signal as NodeJS.Signals }),
  );

  function look(): void {
    const met = awaited.filter((one) => one.fits());
    awaited = awaited.filter((one) => !met.includes(one));
    for (const one of met) one.resolve();
    if (!isOver) return;
    for (const one of awaited) one.reject(new Error(`${name} ended, and was awaited: ${errors}`));
    awaited = [];
  }

  function when(fits: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      awaited.push({ fits, resolve, reject });
      look();
    });
  }

  process.on('message', (notice) => {
    notices.push(notice as Notice);
    look();
  });
  process.stderr!.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  // Telling a child that is gone is no fault of the test's.
  process.on('error', () => {});
  void ended.then(() => {
    isOver = true;
    look();
  });

  return {
    name,
    process,
    notices,
    ended,
    get errors() {
      return errors;
    },
    async notice(fits) {
      await when(() => notices.some(fits));
      return notices.find(fits)!;
    },
    async noticesOf(kind, count) {
      const fitting = (): readonly Notice[] => notices.filter((one) => one.kind === kind);
      await when(() => fitting().length >= count);
      return fitting();
    },
    tell(text) {
      process.send(text, () => {});
    },
    signal(signal) {
      process.kill(signal);
    },
  };
}
