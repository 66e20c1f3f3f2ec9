import { createServer } from 'node:net';

/**
 * The plain loopback sink: reads size-prefixed frames and answers every Produce v7 with a canned success, SASL with
 * success. It checks, stores and routes nothing: what is left is the cost of moving the bytes.
 */
createServer((socket) => {
  socket.setNoDelay(true);
  let rest: Buffer = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const answers: Buffer[] = [];
    let at = 0;
    while (at + 4 <= rest.length) {
      const size = rest.readInt32BE(at);
      if (at + 4 + size > rest.length) break;
      answers.push(answer(rest.readInt16BE(at + 4), rest.subarray(at + 8, at + 12)));
      at += 4 + size;
    }
    rest = rest.subarray(at);
    if (answers.length > 0) socket.write(answers.length === 1 ? answers[0]! : Buffer.concat(answers));
  });
}).listen(Number(process.argv[2]), '127.0.0.1');

function answer(apiKey: number, correlationId: Buffer): Buffer {
  let body = Buffer.alloc(2 + 4 + 2 + 5); // SaslHandshake v1: no error, one mechanism "PLAIN"
  if (apiKey === 17) {
    body.writeInt32BE(1, 2);
    body.writeInt16BE(5, 6);
    body.write('PLAIN', 8);
  } else if (apiKey === 36) {
    body = Buffer.alloc(2 + 2 + 4);
    body.writeInt16BE(-1, 2);
  } else {
    // Produce v7: one topic "bench", one partition, no error, offset 0, throttle 0
    body = Buffer.concat([
      Buffer.from([0, 0, 0, 1, 0, 5]),
      Buffer.from('bench'),
      Buffer.from([0, 0, 0, 1]),
      Buffer.alloc(4 + 2 + 8 + 8 + 8),
      Buffer.alloc(4),
    ]);
  }
  const frame = Buffer.alloc(8 + body.length);
  frame.writeInt32BE(4 + body.length);
  correlationId.copy(frame, 4);
  body.copy(frame, 8);
  return frame;
}
