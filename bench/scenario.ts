/**
 * What the benchmarks are made of: a scenario is a question, its contestants are run in turns, each
 * in a process of its own, and answer with figures. All of it is data, so that it can be handed to
 * a child process and printed.
 */

/** One workload on one driver. */
export interface FlowSettings {
  readonly driver: 'malote' | 'bare' | 'bare-alike' | 'bare-singly' | 'plainjob';
  readonly engine: 'memory' | 'sqlite' | 'rabbitmq';
  readonly publishers: number;
  readonly concurrency: number;
  /** How many keys the messages are spread over at random; 0: no order. */
  readonly keys: number;
  /** Every message has a key of its own, in place of one of those. */
  readonly newKeys: boolean;
  readonly schema: boolean;
  readonly journal: 'off' | 'exceptions';
  /** Whether somebody listens to every transition. */
  readonly listener: boolean;
  /** Publishers pause while this many messages are neither handled nor refused. */
  readonly backlog: number;
  /** Messages published before the first handler starts. */
  readonly standing: number;
  /** Keys whose only message waits for a fact that never comes. */
  readonly blocked: number;
  /** Messages of one further key, published before the first handler starts. */
  readonly hot: number;
  /** Depth above which a publish waits for room; 0: none that matters. */
  readonly capacity: number;
  /** Every so many messages fail in their first attempt; 0: none. */
  readonly failEvery: number;
}

export interface Duration {
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** A cache, and what it is compared with. */
export interface CacheSettings {
  /** `map`: a Map and shared promises; `select`: a prepared statement on the same table. */
  readonly driver: 'malote' | 'map' | 'select' | 'bentocache';
  readonly engine: 'memory' | 'sqlite';
}

/** A relay, or a consumer with an inbox. */
export interface OutboxSettings {
  readonly driver: 'malote' | 'bare';
  readonly engine: 'sqlite';
  readonly work: 'relay' | 'effects' | 'effects-apart';
}

/** What a contestant's process is told to do. */
export type Spec =
  /** In one stretch, or in turns with others that stay as well: each of these measured apart. */
  | {
      readonly program: 'flow' | 'turns';
      readonly settings: FlowSettings;
      readonly duration: Duration;
    }
  | {
      readonly program: 'pair';
      readonly settings: FlowSettings;
      readonly duration: Duration;
      /** `both` processes publish and consume, or one publishes and the other consumes. */
      readonly work: 'both' | 'split';
    }
  | {
      readonly program: 'idle';
      readonly settings: FlowSettings;
      readonly messages: number;
      readonly processes: 1 | 2;
    }
  | {
      /** In one process that stays: so many in each of its turns. */
      readonly program: 'idle-turns';
      readonly settings: FlowSettings;
      readonly messages: number;
    }
  | {
      readonly program: 'payments';
      readonly settings: FlowSettings;
      readonly payments: number;
      readonly processes: 1 | 2;
    }
  | { readonly program: 'start'; readonly settings: FlowSettings; readonly starts: number }
  | { readonly program: 'hits'; readonly settings: CacheSettings; readonly duration: Duration }
  | {
      readonly program: 'cold';
      readonly settings: CacheSettings;
      readonly keys: number;
      readonly processes: number;
    }
  | { readonly program: 'outbox'; readonly settings: OutboxSettings; readonly messages: number }
  | { readonly program: 'fact'; readonly settings: FlowSettings; readonly messages: number }
  | { readonly program: 'soak'; readonly settings: FlowSettings; readonly messages: number }
  | {
      readonly program: 'recovery';
      readonly settings: FlowSettings;
      readonly deaths: number;
      /** How long the server stays away before it is started again. */
      readonly awayMs: number;
    }
  | { readonly program: 'takeover'; readonly settings: FlowSettings; readonly deaths: number }
  | {
      readonly program: 'rebalance';
      readonly settings: FlowSettings;
      /** How often some of the processes go, and others come. */
      readonly moves: number;
    }
  | {
      readonly program: 'release';
      readonly settings: FlowSettings;
      readonly payments: number;
      readonly processes: number;
    }
  | {
      readonly program: 'standing';
      readonly settings: FlowSettings;
      /** Facts that hold, and messages that wait, each of a key of its own. */
      readonly facts: number;
      readonly parked: number;
    };

export interface Contestant {
  readonly name: string;
  readonly spec: Spec;
}

export interface Column {
  readonly metric: string;
  readonly label: string;
  readonly better: 'more' | 'less';
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** The first column is the one that is compared. */
  readonly columns: readonly [Column, ...Column[]];
  /**
   * `peers`: how many times the first contestant is as good as each. `variants`: by how many per
   * cent each differs from the first.
   */
  readonly compare: 'peers' | 'variants';
  readonly contestants: readonly [Contestant, ...Contestant[]];
  /** In place of the usual number: one where that is long enough, more for small differences. */
  readonly rounds?: number;
}

export type Metrics = Readonly<Record<string, number>>;

export interface Answer {
  readonly metrics: Metrics;
  /** Figures over time, where the scenario asks for them. */
  readonly samples?: readonly Metrics[];
  readonly versions?: Readonly<Record<string, string>>;
}

/** What a contestant's process says before it ends. */
export type Said =
  | ({ readonly kind: 'answer' } & Answer)
  /** It cannot run here, which is nobody's fault. */
  | { readonly kind: 'absent'; readonly reason: string }
  /** It lost, doubled or misordered messages, or broke down: there is no figure. */
  | { readonly kind: 'wrong'; readonly reason: string };

/** Thrown where a contestant cannot take part. */
export class Absent extends Error {
  override readonly name = 'Absent';
}
