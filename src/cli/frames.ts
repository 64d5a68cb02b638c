/** What of a stack is worth reading: where the application was. */

/** Without what stands below the application's last frame: malote's own, and those of Node. */
export function framesOfApplication(stack: string): string[] {
  const frames = stack.split('\n').filter((frame) => frame !== '');
  const last = frames.findLastIndex((frame) => !isBelow.test(frame));
  return last < 0 ? frames : frames.slice(0, last + 1);
}

const isBelow = /[/\\]node_modules[/\\]malote[/\\]|\bnode:/;
