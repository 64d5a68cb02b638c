/**
 * Payments that come before their customers, between processes that share one SQLite file.
 * In two terminals:
 *
 *     npm run before-customers -- consumer
 *     npm run before-customers -- p 5      a payment of customer 5, who is unknown: it waits
 *     npm run before-customers -- c 5      the registration: the payment is processed at once
 *
 * With `MALOTE_ENGINE=amqp://guest:guest@localhost` before each, the same on RabbitMQ alone.
 *
 * `consumer --delay` does it as a broker without waiting would: it asks again, 1 s later each time.
 */
import { randomUUID } from 'node:crypto';
import { createBus } from 'malote';
import { engineOf, orExplain } from '../engine.ts';
import { commandOf } from './arguments.ts';
import {
  consumeArrivals,
  consumePayments,
  consumePaymentsByDelays,
  consumeRegistrations,
} from './consumers.ts';
import { CustomerRegistered, PaymentRequested } from './messages.ts';

const command = commandOf(process.argv.slice(2));
const name = process.env['MALOTE_ENGINE'] ?? 'sqlite:data/before-customers.db';
const engine = await engineOf(name, 'before-customers');
const bus = createBus({ engine, logger: false });

switch (command.name) {
  case 'p': {
    const { customerId } = command;
    const paymentId = randomUUID().slice(0, 4);
    await orExplain(bus.publish(PaymentRequested, { paymentId, customerId }));
    console.log(`Published payment ${paymentId} of customer ${customerId}.`);
    await bus.stop();
    break;
  }
  case 'c': {
    const { customerId } = command;
    await orExplain(bus.publish(CustomerRegistered, { customerId }));
    console.log(`Published the registration of customer ${customerId}.`);
    await bus.stop();
    break;
  }
  case 'consumer': {
    consumeRegistrations(bus);
    consumeArrivals(bus, command);
    if (command.delay) consumePaymentsByDelays(bus);
    else consumePayments(bus);
    await orExplain(bus.start());
    console.log(`Consuming registrations and payments from ${engine.address}; Ctrl+C ends it.`);
  }
}

// What the consumer prints in all:

// Consuming registrations and payments from …; Ctrl+C ends it.
// Payment … of customer 5 arrived; the customer is unknown, so it waits.
// Customer 5 is registered.
// Payment … of customer 5 is processed.
