/** The numbers of AMQP 0-9-1 that are read and written here (its specification, 2.3 and 4.2). */

/** Before the payload of a frame: its type, its channel, its length. */
export const frameHead = 7;
/** Behind the payload of every frame. */
export const frameMark = 0xce;
export const frameType = { method: 1, header: 2, body: 3 } as const;

/** The class of messages. */
export const basic = 60;
export const method = { publish: 40, deliver: 60, ack: 80 } as const;

/** Which properties a message has, in their order. */
export const property = {
  contentType: 0x8000,
  headers: 0x2000,
  deliveryMode: 0x1000,
  expiration: 0x0100,
  messageId: 0x0080,
  timestamp: 0x0040,
  type: 0x0020,
} as const;

/** What stands before a value in a table: those kinds that malote writes. */
export const kind = { text: 0x53, integer: 0x6c, double: 0x64 } as const;
