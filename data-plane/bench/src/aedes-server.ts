import { createServer } from 'node:net';
import { Aedes } from 'aedes';

/** The aedes peer: its defaults, one process. */
const broker = await Aedes.createBroker();
// a load client that goes away mid-write is not worth a crash
broker.on('clientError', () => {});
broker.on('connectionError', () => {});
createServer(broker.handle).listen(Number(process.argv[2]), '127.0.0.1');
