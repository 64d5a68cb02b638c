/**
 * A private RabbitMQ server: on free ports of the loopback, in a temporary folder, ended by pid,
 * and never outliving the process that started it, however that one ends. Nothing is shared with
 * a server that the machine runs for others.
 */
import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { testEngine } from '../support/environment.ts';

export interface Server {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** What `rabbitmqctl` prints. */
  ctl(...args: readonly string[]): Promise<string>;
  /** Ends the server as a power cut does. Its data stays for {@link Server.restart}. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

type Bound = ChildProcessByStdio<null, Readable, Readable>;

const run = promisify(execFile);
/** On two cores, idle while there is nothing to do, and not to be reached from elsewhere. */
const usualErlang = '+S 2:2 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}'.split(' ');
const installed = '/usr/lib/rabbitmq/lib';

export function isInstalled(): boolean {
  return testEngine('rabbitmq', programs() !== undefined, 'apt-get install rabbitmq-server');
}

export interface ServerOptions {
  /** Lines of its configuration. */
  readonly settings?: readonly string[];
  /** Arguments of its Erlang, for what has no line. */
  readonly erlang?: readonly string[];
}

/** What servers of one cluster have in common: a secret, and a place that knows their ports. */
export interface Network {
  readonly folder: string;
  readonly environment: NodeJS.ProcessEnv;
  end(): void;
}

export async function startNetwork(): Promise<Network> {
  const folder = mkdtempSync(join(tmpdir(), 'malote-rabbitmq-'));
  const [names = 0] = await freePorts(1);
  const environment = {
    ...process.env,
    HOME: folder,
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_EPMD_PORT: String(names),
  };
  const epmd = spawnBound(['epmd', '-port', String(names), '-address', '127.0.0.1'], environment);
  return {
    folder,
    environment,
    end() {
      killGroup(epmd);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const network = await startNetwork();
  const server = await startNode(network, options);
  return {
    ...server,
    get pid() {
      return server.pid;
    },
    async stop() {
      await server.kill();
      network.end();
    },
  };
}

/** One server; what it leaves behind goes with the network. */
export async function startNode(
  network: Network,
  { settings = [], erlang = [] }: ServerOptions = {},
): Promise<Server & { readonly name: string }> {
  const [port = 0, distribution] = await freePorts(2);
  const name = `m${port}@localhost`;
  const folder = join(network.folder, name);
  mkdirSync(folder);
  const environment = {
    ...network.environment,
    RABBITMQ_NODENAME: name,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distribution),
    RABBITMQ_MNESIA_BASE: join(folder, 'data'),
    RABBITMQ_LOG_BASE: folder,
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'plugins'),
    RABBITMQ_PID_FILE: join(folder, 'pid'),
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: [...usualErlang, ...erlang].join(' '),
  };
  writeFileSync(join(folder, 'plugins'), '[].');
  const lines = ['vm_memory_high_watermark.absolute = 512MB', 'disk_free_limit.absolute = 50MB'];
  writeFileSync(join(folder, 'rabbitmq.conf'), `${[...lines, ...settings].join('\n')}\n`);
  let server = await boot(environment, port);
  const kill = async (): Promise<void> => {
    const ended = gone(server);
    killGroup(server);
    await ended;
  };
  return {
    name,
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    port,
    get pid() {
      return server.pid ?? 0;
    },
    async ctl(...args) {
      const program = join(programs() ?? '', 'rabbitmqctl');
      return (await run(program, args, { env: environment })).stdout;
    },
    kill,
    async restart() {
      await kill();
      server = await boot(environment, port);
    },
    stop: kill,
  };
}

async function boot(env: NodeJS.ProcessEnv, port: number): Promise<Bound> {
  const server = spawnBound([join(programs() ?? '', 'rabbitmq-server')], env);
  await new Promise<void>((resolve, reject) => {
    let said = '';
    const hear = (text: string): void => {
      said += text;
      if (said.includes('completed with')) resolve();
    };
    server.stdout.setEncoding('utf8').on('data', hear);
    server.stderr.setEncoding('utf8').on('data', hear);
    server.once('error', reject);
    server.once('close', () => reject(new Error(`rabbitmq-server did not start:\n${said}`)));
  });
  await reach(port);
  return server;
}

/**
 * Starts a program in a group of its own, which ends when this process does: a shell beside it
 * waits for the end of a pipe that this process alone holds, so that a SIGKILL is noticed as well.
 */
function spawnBound(command: readonly string[], env: NodeJS.ProcessEnv): Bound {
  const script = '{ cat; kill -KILL 0; } <&3 >/dev/null 2>&1 & exec "$@" 3<&-';
  const program = spawn('sh', ['-c', script, 'sh', ...command], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
    env,
  }) as Bound;
  // A program that ends by itself leaves no shell behind.
  program.once('exit', () => program.stdio[3]?.destroy());
  return program;
}

function killGroup({ pid, exitCode, signalCode }: Bound): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  process.kill(-pid, 'SIGKILL');
}

function gone(server: Bound): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => void server.once('exit', () => resolve()));
}

function reach(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', reject).once('connect', () => {
      socket.destroy();
      resolve();
    });
  });
}

function programs(): string | undefined {
  if (!existsSync(installed)) return undefined;
  const [version] = readdirSync(installed).filter((name) => name.startsWith('rabbitmq_server-'));
  return version === undefined ? undefined : join(installed, version, 'sbin');
}

/** Free at the moment, on the loopback. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((one) => new Promise((resolve) => one.once('listening', resolve))));
  const ports = servers.map((one) => (one.address() as AddressInfo).port);
  await Promise.all(servers.map((one) => new Promise((resolve) => one.close(resolve))));
  return ports;
}
