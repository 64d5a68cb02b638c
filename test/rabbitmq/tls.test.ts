/** A server that speaks TLS alone, wants a certificate of its clients, and shows its own. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createBus, message } from 'malote';
import { rabbitmq, type RabbitmqOptions } from 'malote/rabbitmq';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { freePorts, isInstalled, type Server, startServer } from './server.ts';

const timeout = 60_000;
const folder = temporaryFolder();
const Noted = message<{ text: string }>('noted');
const host = '127.0.0.1';

describe.runIf(isInstalled())('over a RabbitMQ server with TLS', () => {
  let server: Server;
  let port = 0;
  beforeAll(async () => {
    for (const authority of ['ca', 'other']) makeAuthority(authority);
    makeCertificate('server', 'ca');
    makeCertificate('client', 'ca');
    makeCertificate('stranger', 'other');
    [port = 0] = await freePorts(1);
    server = await startServer({
      settings: [
        `listeners.ssl.1 = ${host}:${port}`,
        `ssl_options.cacertfile = ${join(folder, 'ca.pem')}`,
        `ssl_options.certfile = ${join(folder, 'server.pem')}`,
        `ssl_options.keyfile = ${join(folder, 'server.key')}`,
        'ssl_options.verify = verify_peer',
        'ssl_options.fail_if_no_peer_cert = true',
      ],
    });
  }, timeout);
  afterAll(() => server?.stop());

  const engineWith = (
    tls: RabbitmqOptions['tls'] & object,
    { at = `${host}:${port}` } = {},
  ): ReturnType<typeof rabbitmq> =>
    rabbitmq(`amqps://guest:guest@${at}`, { namespace: 'tls', partitions: 1, tls });

  async function refusal(engine: ReturnType<typeof rabbitmq>): Promise<string> {
    const bus = createBus({ engine, logger: false });
    try {
      await bus.publish(Noted, { text: '' });
      return 'accepted';
    } catch (error) {
      const { code, message: said } = error as { readonly code: string; readonly message: string };
      assert.doesNotMatch(said, /guest:guest/);
      return `${code}: ${said}`;
    } finally {
      await bus.stop();
    }
  }

  test('with the authority and a certificate messages come and go', { timeout }, async () => {
    const bus = createBus({ engine: engineWith({ ca: read('ca.pem'), ...own('client') }) });
    const text = await new Promise((resolve, reject) => {
      bus.consume(Noted, { name: 'notes' }, ({ data }) => resolve(data.text));
      bus
        .start()
        .then(() => bus.publish(Noted, { text: 'over TLS' }))
        .catch(reject);
    });
    await bus.stop();

    assert.equal(text, 'over TLS');
  });

  test('an authority that is not known here is named, with the cure', { timeout }, async () => {
    const unknown = /^ENGINE_DENIED: .*authority that is not trusted here.*tls: \{ ca \}/;

    assert.match(await refusal(engineWith(own('client'))), unknown);
    assert.match(await refusal(engineWith({ ca: read('other.pem'), ...own('client') })), unknown);
  });

  test('a certificate that the server wants is asked for, with the cure', { timeout }, async () => {
    const wanted = /^ENGINE_DENIED: .*wants a certificate of this process.*tls: \{ cert, key \}/;
    const ca = read('ca.pem');

    assert.match(await refusal(engineWith({ ca })), wanted);
    assert.match(await refusal(engineWith({ ca, ...own('stranger') })), wanted);
  });

  test('a certificate for another name, and a port without TLS, are told apart', {
    timeout,
  }, async () => {
    const trusted = { ca: read('ca.pem'), ...own('client') };
    const at = `localhost:${port}`;

    assert.match(
      await refusal(engineWith({ ...trusted, servername: 'elsewhere.test' }, { at })),
      /^ENGINE_DENIED: .*certificate for another name/,
    );
    assert.match(
      await refusal(engineWith(trusted, { at: `${host}:${server.port}` })),
      /^ENGINE_DENIED: .*does not speak TLS.*amqp:\/\//,
    );
  });
});

function read(file: string): Buffer {
  return readFileSync(join(folder, file));
}

function own(name: string): { readonly cert: Buffer; readonly key: Buffer } {
  return { cert: read(`${name}.pem`), key: read(`${name}.key`) };
}

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'] as const;

function makeAuthority(name: string): void {
  const subject = ['-subj', `/CN=malote test ${name}`, '-days', '2'];
  openssl('req', '-x509', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.pem`, ...subject);
}

function makeCertificate(name: string, authority: string): void {
  const request = `${name}.csr`;
  openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', request, '-subj', `/CN=${name}`);
  writeFileSync(join(folder, `${name}.ext`), `subjectAltName=IP:${host},DNS:localhost\n`);
  const by = ['-CA', `${authority}.pem`, '-CAkey', `${authority}.key`, '-CAcreateserial'];
  const signed = ['-out', `${name}.pem`, '-days', '2', '-extfile', `${name}.ext`];
  openssl('x509', '-req', '-in', request, ...by, ...signed);
}
