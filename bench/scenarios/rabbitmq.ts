/** The questions put to malote on a RabbitMQ server, and to loops written by hand on the same. */

import type { Column, Contestant, Scenario } from '../scenario.ts';
import {
  count,
  latencyColumns,
  rateColumns,
  settings,
  takeoverLoad,
  soakScenario,
  takeoverScenario,
  type Change,
  type Length,
} from './settings.ts';

const withServer: readonly [Column, ...Column[]] = [
  ...rateColumns,
  { metric: 'serverCpu', label: "server's cores", better: 'less' },
];

const bare = { name: 'bare loop, acks at once', driver: 'bare' } as const;
const alike = { name: 'bare loop with ids, types and times', driver: 'bare-alike' } as const;
const singly = { name: 'the same loop, acks singly', driver: 'bare-singly' } as const;

/** As long as a server takes to be moved. */
const awayMs = 10_000;

export function rabbitmqScenarios(length: Length): readonly Scenario[] {
  return [
    ...throughput(length),
    ...latency(length),
    soak(length),
    ...deaths(length),
    ...moves(length),
    beside(length),
  ];
}

/** Until the process has compiled what it does all the time: as it is in one that runs for days. */
const warmingUp = 4;
/** The speed of a machine that others use too differs between one turn and the next. */
const turnsForOne = 5;

function warmed({ duration: { warmUpMs, measureMs } }: Length): Length['duration'] {
  return { warmUpMs: warmingUp * warmUpMs, measureMs };
}

function throughput(length: Length): Scenario[] {
  const duration = warmed(length);
  const flowRounds = turnsForOne * length.rounds;
  const flow = (name: string, change: Change): Contestant => ({
    name,
    spec: { program: 'turns', settings: settings('rabbitmq', change), duration },
  });
  const keys = 10_000;
  return [
    {
      name: 'unordered',
      title: 'Without order',
      columns: withServer,
      compare: 'peers',
      rounds: flowRounds,
      contestants: [
        flow('malote', {}),
        flow(bare.name, { driver: bare.driver }),
        flow(alike.name, { driver: alike.driver }),
        flow(singly.name, { driver: singly.driver }),
        flow('malote, concurrency 10 (default)', { concurrency: 10 }),
      ],
    },
    {
      name: 'keys',
      title: 'In order per key, 10,000 keys at random over 8 partitions',
      columns: withServer,
      compare: 'peers',
      rounds: flowRounds,
      contestants: [
        flow('malote', { keys }),
        flow(bare.name, { driver: bare.driver, keys }),
        flow(alike.name, { driver: alike.driver, keys }),
        flow(singly.name, { driver: singly.driver, keys }),
      ],
    },
  ];
}

function latency(length: Length): Scenario[] {
  const messages = length.idleMessages;
  const rounds = turnsForOne * length.rounds;
  const idle = (name: string, change: Change = {}): Contestant => ({
    name,
    spec: {
      program: 'idle-turns',
      settings: settings('rabbitmq', change),
      messages: Math.ceil(messages / turnsForOne),
    },
  });
  const idleTwo = (name: string, change: Change = {}): Contestant => ({
    name,
    spec: { program: 'idle', settings: settings('rabbitmq', change), messages, processes: 2 },
  });
  const waiting = settings('rabbitmq', { keys: 1, blocked: 1 });
  return [
    {
      name: 'idle',
      title: 'One message at a time through an idle system, publish to handler',
      columns: latencyColumns,
      compare: 'peers',
      rounds,
      contestants: [
        idle('malote'),
        idle(bare.name, { driver: bare.driver }),
        idle(alike.name, { driver: alike.driver }),
        idle('malote, in order', { keys: 1 }),
      ],
    },
    {
      name: 'idle-two',
      title: 'One message at a time from one process to another',
      columns: latencyColumns,
      compare: 'peers',
      contestants: [idleTwo('malote'), idleTwo('bare loop', { driver: 'bare' })],
    },
    {
      name: 'fact',
      title: 'From the opening of a fact to the handler that waited for it',
      columns: latencyColumns,
      compare: 'peers',
      contestants: [{ name: 'malote', spec: { program: 'fact', settings: waiting, messages } }],
    },
  ];
}

function soak({ serverSoakMessages: messages }: Length): Scenario {
  const run = (load: string, change: Change): Contestant => ({
    name: `malote, ${load}, ${count(messages)} messages`,
    spec: { program: 'soak', settings: settings('rabbitmq', change), messages },
  });
  return soakScenario({ heapMb: 'heap MB', rssMb: 'RSS MB' }, [
    run('without order', {}),
    run('10,000 keys', { keys: 10_000 }),
  ]);
}

function deaths(length: Length): Scenario[] {
  const { deaths: times } = length;
  const recovery = (name: string, change: Change): Contestant => {
    const given = settings('rabbitmq', change);
    return { name, spec: { program: 'recovery', settings: given, deaths: times, awayMs } };
  };
  const worst: Column = { metric: 'worstMs', label: 'worst ms', better: 'less' };
  return [
    {
      name: 'recovery',
      title: `A server killed, away for ${awayMs / 1_000} s, and back: until all is handled`,
      columns: [
        { metric: 'allMs', label: 'all, ms', better: 'less' },
        worst,
        { metric: 'firstMs', label: 'the first, ms', better: 'less' },
      ],
      compare: 'peers',
      rounds: 1,
      contestants: [recovery('malote, 10,000 keys', { keys: 10_000 }), recovery('malote', {})],
    },
    takeoverScenario(length, [
      { name: 'malote', settings: settings('rabbitmq', takeoverLoad) },
      { name: 'bare loop', settings: settings('rabbitmq', { ...takeoverLoad, driver: 'bare' }) },
    ]),
  ];
}

/** Processes that come and go, and what waits over several of them. */
function moves({ deaths: times, waitingPayments: payments }: Length): Scenario[] {
  const moving = settings('rabbitmq', { keys: 64, concurrency: 10 });
  const paying = settings('rabbitmq', { concurrency: 10 });
  return [
    {
      name: 'rebalance',
      title: 'Half of eight processes go, others come: until each has its share of the partitions',
      columns: [
        { metric: 'worstMs', label: 'worst ms', better: 'less' },
        { metric: 'p50Ms', label: 'median ms', better: 'less' },
      ],
      compare: 'peers',
      rounds: 1,
      contestants: [
        { name: 'malote', spec: { program: 'rebalance', settings: moving, moves: times } },
      ],
    },
    {
      name: 'release',
      title: `${count(payments)} payments before and among their customers, over four processes`,
      columns: [...latencyColumns, { metric: 'waited', label: 'waited', better: 'more' }],
      compare: 'peers',
      contestants: [
        { name: 'malote', spec: { program: 'release', settings: paying, payments, processes: 4 } },
      ],
    },
  ];
}

/** What facts and waiting messages cost whoever starts, takes over, and holds them. */
function beside({ standingFacts, standingParked }: Length): Scenario {
  const given = settings('rabbitmq', { keys: 64, blocked: 1, concurrency: 100 });
  const standing = (name: string, facts: number, parked: number): Contestant => ({
    name,
    spec: { program: 'standing', settings: given, facts, parked },
  });
  return {
    name: 'standing',
    title: 'Beside facts that hold and messages that wait: a start, a take-over, the memory',
    columns: [
      { metric: 'startMs', label: 'start, ms', better: 'less' },
      { metric: 'takeoverMs', label: 'take-over, ms', better: 'less' },
      { metric: 'rssMb', label: 'RSS MB', better: 'less' },
    ],
    compare: 'peers',
    rounds: 1,
    contestants: [
      standing('nothing', 0, 0),
      ...standingFacts.map((facts) => standing(`${count(facts)} facts`, facts, 0)),
      ...standingParked.map((parked) => standing(`${count(parked)} waiting`, 0, parked)),
    ],
  };
}

export function describeRabbitmq(length: Length): Readonly<Record<string, string>> {
  const { publishers, concurrency, backlog, journal } = settings('rabbitmq');
  const { warmUpMs, measureMs } = warmed(length);
  return {
    message: '209 bytes of JSON, each acknowledged, trivial async handler',
    server: 'a private one for every process, begun empty, on the same machine',
    load:
      `${count(publishers)} publishers that await each publish, concurrency ` +
      `${count(concurrency)}, at most ${count(backlog)} under way, unless said otherwise`,
    'bare loop':
      'amqplib, as many prefetched and as many queues as malote has; ' +
      'one worker takes each queue that has an order',
    length:
      `${length.name}: ${length.rounds} rounds in turns, ` +
      `${turnsForOne * length.rounds} of ${measureMs} ms where rates are compared, ` +
      `by processes and servers that stay, after ${warmUpMs} ms of warm-up`,
    proof:
      'every run checks that each message was handled once, in the order of its key; ' +
      'after a death at least once',
    journal,
    durability: 'quorum queues of one server, persistent, mandatory, confirmed, for all',
  };
}
