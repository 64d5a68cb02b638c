/** Starts a private server, says its pid and its port, and stays until it is ended. */
import { startServer } from './server.ts';

// A connection that says nothing stays open for longer than any test.
const { pid, port } = await startServer({ settings: ['handshake_timeout = 600000'] });
console.log(`${pid} ${port}`);
