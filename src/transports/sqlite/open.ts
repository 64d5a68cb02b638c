/**
 * One connection of one process to the file: the contract's transport, made of its parts.
 */

import { MaloteError } from '../../errors.ts';
import type { Host, Queue, Transport } from '../../transport/transport.ts';
import { type Bell, createBell } from './bell.ts';
import { type Calls, createCalls } from './calls.ts';
import { startCheckpoints } from './checkpoint.ts';
import { createConsumer } from './consumers.ts';
import { createSession } from './create-session.ts';
import { toMaloteError } from './driver-errors.ts';
import { createEffects } from './effects.ts';
import { type OpenedFile, openFile } from './file.ts';
import { createFileGuard } from './file-guard.ts';
import type { CallerTransaction, Connection, DriverName } from './driver.ts';
import { createJoin, waitsOf } from './join.ts';
import { refresh, type Wait } from './ledger.ts';
import { loadDriver } from './load-driver.ts';
import { createLoop, type Loop } from './loop.ts';
import { leave } from './return-all.ts';
import { migrations } from './schema.ts';
import type { Session } from './session.ts';
import { createSights, type Sights } from './sights.ts';
import { createStore } from './store.ts';
import { subscribe, unsubscribe } from './subscribe.ts';
import type { Intake } from './turn.ts';

export interface OpenOptions {
  readonly path: string;
  readonly durability: 'full' | 'normal';
  readonly driver: DriverName;
}

/** A connection that runs, and what its doors need of it. */
interface Running {
  readonly session: Session;
  readonly intake: Intake;
  readonly loop: Loop;
  /** Runs something inside the next turn. */
  command<Answer>(run: (session: Session) => Answer): Promise<Answer>;
  check(): void;
}

export async function openTransport(
  options: OpenOptions,
  host: Host,
): Promise<Transport<CallerTransaction>> {
  const file = open(options, host);
  const where = `sqlite file "${file.path}"`;
  const session = createSession(file, host, () => loop.schedule());
  const guard = createFileGuard(file, host.clock);
  const intake = createIntake();
  const checkpoints = startCheckpoints({ ...file, clock: host.clock });
  let state: 'opening' | 'open' | 'closing' | 'closed' = 'opening';
  let [closing, bell]: [Promise<void> | null, Bell | null] = [null, null];
  const met = createSignal();
  const loop = createLoop({
    session,
    intake,
    db: file.db,
    host,
    where,
    dataVersion: dataVersionOf(file.db),
    failed: (error) => state !== 'opening' && host.failed(error),
    ring: () => bell?.ring(),
    met: (peers) => bell?.peers(peers),
    begin() {
      guard.check();
      checkpoints.begin(file.db);
    },
    turned: () => sights.look(),
    isClosing: () => state === 'closing',
    registered() {
      bell = startBell(file.path, host, { session, loop, look: sights.look });
    },
    busy: met.resolve,
  });
  const queue = createQueue({ session, intake, loop, command, check });
  const doors = { db: file.db, host, where, run, queue, check: checkFile, failed: loop.look };
  const sights = createSights(session, doors);

  function check(): void {
    if (state !== 'open') throw stopped(where);
    if (loop.ended !== null) throw loop.ended;
  }

  function checkFile(): void {
    check();
    guard.check();
  }

  async function command<Answer>(inside: (session: Session) => Answer): Promise<Answer> {
    if (loop.ended !== null) throw loop.ended;
    loop.schedule();
    const answers = intake.commands.push([inside], loop.deadlineAt());
    const [outcome] = await answers;
    if (outcome!.kind === 'refused') throw outcome!.error;
    return outcome!.answer as Answer;
  }

  async function run<Answer>(inside: (session: Session) => Answer): Promise<Answer> {
    check();
    return command(inside);
  }

  async function ended(waits: readonly Wait[]): Promise<void> {
    loop.look();
    if (waits.length === 0 || state !== 'open') return;
    // Only a look tells whether the caller has committed.
    const events = await sights.read((inside) => waitsOf(inside, waits)).catch(() => []);
    for (const event of events) host.notify(event);
  }

  function release(goodbye: 'said' | 'unsaid'): void {
    state = 'closed';
    sights.stop(stopped(where));
    loop.stop(stopped(where));
    session.household.leave();
    if (goodbye === 'said') bell?.close();
    else bell?.abandon();
    void checkpoints.stop().then(file.left);
    file.db.close();
  }

  async function close(): Promise<void> {
    for (const consumer of session.consumers) consumer.isStopped = true;
    sights.stop(stopped(where));
    let goodbye: 'said' | 'unsaid' = 'said';
    try {
      while (!isDone(intake)) await command(() => null);
      // The worker has the file open too. From the moment this session has left, all is over.
      await checkpoints.stop();
      await command(leave);
    } catch {
      // Busy or broken: what is held ends with the lease of this session, or when others see it go.
      goodbye = 'unsaid';
    }
    if (state !== 'closed') release(goodbye);
  }

  await Promise.race([command(() => null), met.promise]).catch((error: unknown) => {
    release('unsaid');
    throw toMaloteError(error, where);
  });
  state = 'open';
  return {
    queue,
    facts: sights.facts,
    store: createStore({ run, read: sights.read, now: session.time.now }),
    coordination: sights.coordination,
    effects: createEffects({ calls: intake.effects, loop, check, command: run, read: sights.read }),
    join: createJoin({ file, guard, where, host, check, ended: (waits) => void ended(waits) }),
    close() {
      if (state === 'closed') return Promise.resolve();
      state = 'closing';
      closing ??= close();
      return closing;
    },
    abandon() {
      if (state !== 'closed') release('unsaid');
    },
  };
}

function open({ path, durability, driver }: OpenOptions, { create }: Host): OpenedFile {
  return openFile(path, { driver: loadDriver(driver), durability, migrations, create });
}

function startBell(
  path: string,
  { clock }: Host,
  { session, loop, look }: Pick<Running, 'session' | 'loop'> & Pick<Sights, 'look'>,
): Bell {
  return createBell({
    path,
    sessionId: session.id,
    clock,
    onRing() {
      loop.schedule();
      look();
    },
    onPeerGone: (peer) => loop.peerGone(Number(peer)),
  });
}

function createQueue({ session, intake, loop, command, check }: Running): Queue {
  function take<Item, Outcome>(
    calls: Calls<Item, Outcome>,
    items: readonly Item[],
  ): Promise<readonly Outcome[]> {
    try {
      check();
    } catch (error) {
      return Promise.reject(error);
    }
    loop.schedule();
    return calls.push(items, loop.deadlineAt());
  }

  return {
    async subscribe(specifications) {
      check();
      await command((inside) => subscribe(inside, specifications));
      const isAdopting = (): boolean =>
        specifications.some(({ name, topics }) =>
          topics.some((topic) =>
            session.ledger.topology.topics
              .get(topic)
              ?.adopting.some((subscription) => subscription.name === name),
          ),
        );
      while (isAdopting()) await command(() => null);
    },
    async unsubscribe(name) {
      check();
      return command((inside) => unsubscribe(inside, name));
    },
    // The two that are called for every message: no more promises than one each.
    publish: (batch) => take(intake.publishes, batch),
    async forward(batch) {
      check();
      if (batch.length === 0) return [];
      const answer = take(intake.publishes, batch);
      const { last: serial } = intake.serials;
      // What a turn that fails has noted stays: it only holds a key back until it is sent again.
      intake.forwards.set(serial, new Map());
      try {
        return await answer;
      } finally {
        intake.forwards.delete(serial);
      }
    },
    settle: (batch) => take(intake.settlements, batch),
    async mark(changes) {
      await take(intake.marks, changes);
    },
    consume(name, demand, sink) {
      check();
      const { ledger, consumers } = session;
      if (!ledger.topology.subscriptions.has(name)) {
        refresh(ledger);
        if (!ledger.topology.subscriptions.has(name)) throw unknown(name);
      }
      const consumer = createConsumer(name, demand.slots, sink);
      consumer.subscription = ledger.topology.subscriptions.get(name) ?? null;
      consumers.push(consumer);
      session.hasTold = false;
      loop.hold(true);
      loop.look();
      return {
        grant(messages) {
          if (consumer.isStopped) return;
          consumer.credit += messages;
          loop.schedule();
        },
        stop() {
          consumer.isStopped = true;
          consumer.credit = 0;
          loop.hold(consumers.some(({ isStopped }) => !isStopped));
          session.hasTold = false;
          loop.schedule();
        },
      };
    },
  };
}

/** Whether nothing is left that a close finishes. */
function isDone({ publishes, settlements, effects }: Intake): boolean {
  return publishes.isEmpty && settlements.isEmpty && effects.isEmpty;
}

/** Who holds the lock may be the transaction a publish is to join: then its row comes later. */
function createSignal(): { readonly promise: Promise<void>; resolve(): void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve: () => resolve() };
}

/** Asks whether another connection changed the file. */
function dataVersionOf(db: Connection): () => number {
  const version = db.prepare('pragma data_version');
  return () => Number(Object.values(version.get() as object)[0]);
}

function createIntake(): Intake {
  const serials = { last: 0 };
  return {
    serials,
    forwards: new Map(),
    commands: createCalls(serials),
    marks: createCalls(serials),
    effects: createCalls(serials),
    settlements: createCalls(serials, (settlement) =>
      settlement.kind === 'ack' ? 1 + settlement.publish.length : 1,
    ),
    // A large body weighs as much as many small ones; many facts do, each with a row of its own.
    publishes: createCalls(
      serials,
      ({ body, facts }) => 1 + (body.length >> 12) + (facts.length >> 2),
    ),
  };
}

function stopped(where: string): MaloteError {
  return new MaloteError('BUS_STOPPED', `this connection to ${where} is closed; open another one`);
}

function unknown(name: string): MaloteError {
  return new MaloteError(
    'NOT_FOUND',
    `subscription "${name}" must be registered before it is consumed; call subscribe first`,
  );
}
