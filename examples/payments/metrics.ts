/**
 * `GET /metrics` in the text form of Prometheus: what stands where, how old the oldest is, how far
 * the relay is behind, and what this process has seen happen.
 */
import { subscribe } from 'node:diagnostics_channel';
import { type Bus, MaloteError, type TransitionEvent, transitionChannel } from 'malote';
import type { Database } from './database.ts';

export interface Metrics {
  /** The answer of this moment, as text. */
  read(): Promise<string>;
}

interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

const states = ['scheduled', 'ready', 'leased', 'retrying', 'waiting'] as const;

export interface MetricsOptions {
  readonly bus: Bus;
  readonly database: Pick<Database, 'materialized'>;
  /** Milliseconds. */
  readonly now?: () => number;
}

export function createMetrics({ bus, database, now = Date.now }: MetricsOptions): Metrics {
  const seen = new Map<string, number>();
  subscribe(transitionChannel, (told) => {
    const { kind } = told as TransitionEvent;
    seen.set(kind, (seen.get(kind) ?? 0) + 1);
  });
  const age = (at: number | null): number => (at === null ? 0 : Math.max(0, now() - at) / 1_000);

  async function ofSubscriptions(): Promise<string[]> {
    const all = await bus.subscriptions.list();
    const each = (value: (one: (typeof all)[number]['stats']) => number): Sample[] =>
      all.map(({ name, stats }) => ({ labels: { subscription: name }, value: value(stats) }));
    const messages = all.flatMap(({ name, stats }) =>
      states.map((state) => ({ labels: { subscription: name, state }, value: stats[state] })),
    );
    return [
      metric('malote_queue_messages gauge', 'messages of a subscription, by state', messages),
      metric(
        'malote_queue_oldest_age_seconds gauge',
        'since the oldest of them was accepted',
        each(({ oldestAt }) => age(oldestAt)),
      ),
      metric(
        'malote_dead_messages gauge',
        'dead letters',
        each(({ dead }) => dead),
      ),
      metric(
        'malote_done_messages_total counter',
        'messages done',
        each(({ done }) => done),
      ),
    ];
  }

  async function ofOutbox(): Promise<string[]> {
    const { waiting, oldestAt, relayed, dead } = await bus.outbox.stats();
    const one = (value: number): Sample[] => [{ value }];
    return [
      metric('malote_outbox_messages gauge', 'messages that wait for the relay', one(waiting)),
      metric(
        'malote_outbox_lag_seconds gauge',
        'since the oldest was accepted',
        one(age(oldestAt)),
      ),
      metric('malote_outbox_relayed_total counter', 'messages relayed', one(relayed)),
      metric('malote_outbox_dead_messages gauge', 'messages that the engine refused', one(dead)),
    ];
  }

  return {
    async read() {
      const events = [...seen].map(([kind, value]) => ({ labels: { kind }, value }));
      const { total } = database.materialized();
      // While the engine is away, how far the relay is behind is what one wants to know.
      const subscriptions = await ofSubscriptions().catch(() => null);
      const up = [{ value: subscriptions === null ? 0 : 1 }];
      const parts = [
        metric('malote_engine_up gauge', 'whether the engine answers', up),
        ...(subscriptions ?? []),
        ...(await ofOutbox().catch(withoutOutbox)),
        metric('payments_booked_total counter', 'payments booked', [{ value: total }]),
        metric('malote_events_total counter', 'what this process saw happen', events),
      ];
      return parts.join('');
    },
  };
}

/** Where rows and messages are in one file there is none. */
function withoutOutbox(error: unknown): string[] {
  if (error instanceof MaloteError && error.code === 'CAPABILITY_MISSING') return [];
  throw error;
}

function metric(name: `${string} ${'gauge' | 'counter'}`, help: string, all: Sample[]): string {
  const [metricName] = name.split(' ');
  const lines = all.map(({ labels = {}, value }) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}=${JSON.stringify(text)}`);
    return `${metricName}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`;
  });
  return `# HELP ${metricName} ${help}\n# TYPE ${name}\n${lines.join('')}`;
}
