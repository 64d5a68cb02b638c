/**
 * The tables of malote in an SQLite file, as the steps that lead from one version to the next. A
 * released step is never changed; a new version appends one.
 *
 * What holds in every committed state:
 *  1. `ml_message` only ever grows at the ends of its ranges and shrinks by deletes; a fresh loose
 *     message carries no state at all (`lane = 0`): who holds it is said by `ml_lease`.
 *  2. A lane row exists exactly as long as its lane has messages, is leased, or is diverted. Its
 *     number is the id of the message that opened it, so new lanes are neighbours on disk.
 *  3. A lane is leased (`state = 1`) only by an owner in `ml_session`; a take-over frees the lanes
 *     and deletes the owner in one transaction. So "my session row exists" proves all my leases.
 *  4. `upto` is the last message that the lease of a lane covers.
 *  5. Exceptional messages without order are lanes of their own (`key = 0`).
 *  6. Every message whose sequence is at most `ml_meta.named` is found by its id in an index; later
 *     ones are few, and are looked through.
 *  7. `cold` lanes (waiting, blocked, diverted, backing off for long) have their own unique index,
 *     so that a hundred thousand of them do not spread the live ones over the disk.
 *  8. Tokens of holds come from `ml_meta.lease`, so they grow although rows of holds are removed.
 */

export const migrations: readonly string[] = [
  `
  create table ml_meta (
    one integer primary key check (one = 1),
    sequence integer not null,
    lease integer not null,
    topology integer not null,
    named integer not null,
    -- The latest time that a transaction was stamped with: it never goes back.
    now integer not null,
    -- The numbers of keys depend on it. 4503599627370495 is 2^52 - 1.
    seed integer not null
  );
  insert into ml_meta values (1, 0, 0, 1, 0, 0, random() & 4503599627370495);

  -- process: sessions with the same one die together. beside: since this one was last renewed,
  -- another one of its process was taken over that held something.
  create table ml_session (
    id integer primary key,
    until_at integer not null,
    process text not null,
    beside integer not null
  );

  create table ml_topic (number integer primary key, name text not null unique);

  -- name is null while the rows of a forgotten subscription are being removed.
  create table ml_subscription (
    number integer primary key,
    name text unique,
    ordering text not null,
    on_dead text not null,
    waits integer not null,
    waiting_deadline_ms integer not null,
    max_depth integer not null,
    adopts text not null,
    paused integer not null default 0,
    since integer not null
  );

  -- adopting: kept messages of the topic are still on their way to the subscription.
  create table ml_route (
    topic integer not null,
    subscription integer not null,
    adopting integer not null default 0,
    primary key (topic, subscription)
  ) without rowid;

  -- claimed: loose messages up to this id were handed out.
  create table ml_tally (
    subscription integer primary key,
    claimed integer not null,
    scheduled integer not null default 0,
    ready integer not null default 0,
    leased integer not null default 0,
    retrying integer not null default 0,
    waiting integer not null default 0,
    dead integer not null default 0,
    done integer not null default 0,
    cancelled integer not null default 0
  );

  create table ml_message (
    id integer primary key,
    lane integer not null,
    accepted_at integer not null,
    attempt integer not null default 0,
    mark integer not null default 0,
    topic integer not null,
    message_id text not null,
    headers text,
    facts text,
    key text,
    named integer not null default 0,
    body not null
  );
  create index ml_message_lane on ml_message (lane, id) where lane <> 0;
  create index ml_message_name on ml_message (message_id) where named = 1;

  create table ml_lane (
    lane integer primary key,
    subscription integer not null,
    key integer not null,
    name text,
    cold integer not null,
    state integer not null,
    -- In ticks, see layout.ts: when it may be claimed, by the age of its head; its deadline
    -- while it waits.
    ready_at integer not null,
    owner integer,
    upto integer not null default 0,
    flags integer not null default 0
  );
  create unique index ml_lane_hot on ml_lane (key, subscription) where cold = 0 and key <> 0;
  create unique index ml_lane_cold on ml_lane (key, subscription) where cold = 1 and key <> 0;
  create index ml_lane_ready on ml_lane (subscription, ready_at) where state = 0;
  create index ml_lane_rare on ml_lane (state, subscription, ready_at) where state >= 2;

  -- What one transaction of a session claimed: loose messages from lo to hi, or lanes (those it
  -- opened itself from lo to hi, and a list of others). Lanes may have moved on since.
  create table ml_lease (
    id integer primary key,
    owner integer not null,
    subscription integer not null,
    lo integer not null,
    hi integer not null,
    lanes text
  );

  create table ml_fact (fact text primary key, at integer not null) without rowid;
  create table ml_wait (
    fact text not null,
    lane integer not null,
    primary key (fact, lane)
  ) without rowid;
  create index ml_wait_lane on ml_wait (lane);

  create table ml_later (
    id integer primary key,
    subscription integer not null,
    due_at integer not null,
    accepted_at integer not null,
    topic integer not null,
    message_id text not null,
    headers text,
    facts text,
    key text,
    body not null
  );
  create index ml_later_due on ml_later (due_at);
  create index ml_later_name on ml_later (message_id);

  create table ml_kept (
    id integer primary key,
    topic integer not null,
    due_at integer not null,
    accepted_at integer not null,
    message_id text not null,
    headers text,
    facts text,
    key text,
    body not null
  );
  create index ml_kept_topic on ml_kept (topic, id);
  create index ml_kept_name on ml_kept (message_id);

  -- cancelled: the numbers of the subscriptions that had it cancelled, as JSON.
  create table ml_dedupe (
    number integer primary key,
    topic integer not null,
    key text not null,
    message_id text not null,
    at integer not null,
    sequence integer not null,
    cancelled text
  );
  create unique index ml_dedupe_key on ml_dedupe (key, topic);
  create index ml_dedupe_name on ml_dedupe (message_id);

  -- The dead head of a blocked lane has a row here and its row in ml_message; lane <> 0 says that
  -- the key is blocked or diverted behind this letter.
  create table ml_dead (
    id integer primary key,
    subscription integer not null,
    lane integer not null,
    key text,
    topic integer not null,
    message_id text not null,
    reason text not null,
    attempt integer not null,
    accepted_at integer not null,
    died_at integer not null,
    headers text,
    facts text,
    body not null
  );
  create index ml_dead_subscription on ml_dead (subscription, id);
  create index ml_dead_name on ml_dead (message_id);
  create index ml_dead_lane on ml_dead (lane, id) where lane <> 0;

  create table ml_failure (
    id integer primary key,
    first_name text,
    first_message text,
    last_name text,
    last_message text,
    redriven_at integer
  );
  create table ml_journal (
    id integer not null,
    number integer not null,
    at integer not null,
    event text not null,
    attempt integer not null,
    detail text,
    primary key (id, number)
  ) without rowid;

  -- Work that is too much for one transaction; any process does the next step.
  create table ml_chore (
    number integer primary key,
    kind text not null,
    name text not null,
    subject integer not null,
    position integer not null,
    unique (kind, name, subject)
  );
  `,
  `
  -- Who holds a lock or loads a value: a row as long as that lasts. Times in milliseconds.
  create table ml_hold (
    space text not null,
    name text not null,
    token integer not null,
    owner integer not null,
    until_at integer not null,
    primary key (space, name)
  ) without rowid;
  create index ml_hold_owner on ml_hold (owner);
  create index ml_hold_end on ml_hold (until_at);

  -- What came of a load: an entry (token > 0; value null: there is none), and how the last one
  -- failed.
  create table ml_entry (
    number integer primary key,
    space text not null,
    name text not null,
    token integer not null,
    value text,
    fresh_until integer not null,
    kept_until integer not null,
    failure_name text,
    failure_message text,
    failed_token integer not null,
    failed_until integer not null,
    ends_at integer not null
  );
  create unique index ml_entry_name on ml_entry (space, name);
  create index ml_entry_end on ml_entry (ends_at);
  create index ml_entry_space on ml_entry (space, ends_at);

  -- How many rows of ml_entry a space has.
  create table ml_space (space text primary key, entries integer not null) without rowid;
  `,
  `
  -- What subscriptions with an inbox have processed. source: the number of a subscription and a
  -- topic; token: of the last delivery that was announced; done 0: announced, and nothing more;
  -- opens: facts, as JSON. Gone after ends_at.
  create table ml_inbox_source (number integer primary key, name text not null unique);
  create table ml_inbox (
    source integer not null,
    message_id text not null,
    token integer not null,
    done integer not null,
    ends_at integer not null,
    opens text,
    primary key (source, message_id)
  ) without rowid;
  create index ml_inbox_end on ml_inbox (ends_at);
  `,
  `
  -- Code, stack and cause of a failure, as JSON; null where there is none of them.
  alter table ml_failure add column first_more text;
  alter table ml_failure add column last_more text;
  `,
  `
  -- Tells a subscription from an earlier one of its number and name: never the same twice.
  alter table ml_subscription add column born integer not null default 0;
  `,
  `
  -- A head that has to wait leaves its key for a lane of its own.
  alter table ml_subscription add column overtakes integer not null default 0;
  `,
  `
  -- Messages that are gone, where the journal keeps all: their rows of ml_journal stay as long as
  -- these. attempt: spent; delivered_at: of the last attempt; null: the message was cancelled.
  create table ml_past (
    id integer primary key,
    message_id text not null,
    topic integer not null,
    key text,
    attempt integer not null,
    accepted_at integer not null,
    delivered_at integer,
    ended_at integer not null,
    ends_at integer not null
  ) strict;
  create index ml_past_name on ml_past (message_id);
  create index ml_past_end on ml_past (ends_at);
  `,
  `
  -- Remembered until then, and as long as the message is there. Rows are in this order.
  -- 608400000 is seven days and an hour.
  alter table ml_dedupe add column ends_at integer not null default 0;
  update ml_dedupe set ends_at = at + 608400000;
  `,
  `
  -- Facts of this file that messages of another engine wait for. A row in ml_followed: somebody has
  -- asked for changes of facts, and from then on the last of them are in the log.
  create table ml_followed (one integer primary key check (one = 1));
  create table ml_fact_change (
    number integer primary key,
    fact text not null,
    opened integer not null
  );
  `,
  `
  -- The names of the subscriptions that a session consumes, as JSON.
  alter table ml_session add column consumes text not null default '[]';
  `,
];
