/** A process that was started by another one, with a channel to it, does not outlive that one. */
export function endWithParent(end: () => void): void {
  process.once('disconnect', end);
  // The channel alone is no reason to stay.
  process.channel?.unref();
}
