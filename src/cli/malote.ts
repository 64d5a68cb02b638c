#!/usr/bin/env node
/**
 * What `npx malote` starts. Plain on purpose: an old Node has to come as far as the sentence that
 * names the one it needs.
 */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < 22 || (major === 22 && minor < 18)) {
  const cure = 'npm install -D node@24 brings one, which npx malote then finds';
  process.stderr.write(
    `malote needs Node 22.18 or newer, this is ${process.versions.node}: ${cure}\n`,
  );
  process.exitCode = 1;
} else {
  const { main } = await import('./main.ts');
  await main(process.argv.slice(2));
}
