/**
 * What an application can say about facts that are older than malote: for each kind of fact at most
 * one function, known to every bus of the process from the moment the dependency is defined.
 */

/** Of these ids, those for which the fact holds. */
export type Probe = (
  ids: readonly string[],
  context: { readonly signal: AbortSignal },
) => Iterable<string | number> | Promise<Iterable<string | number>>;

const probes = new Map<string, Probe>();

/** Who defines a kind of fact again says how it is asked for from now on. */
export function keepProbe(dependency: string, probe: Probe | undefined): void {
  if (probe === undefined) probes.delete(dependency);
  else probes.set(dependency, probe);
}

export function probeOf(dependency: string): Probe | undefined {
  return probes.get(dependency);
}

export function hasProbes(): boolean {
  return probes.size > 0;
}
