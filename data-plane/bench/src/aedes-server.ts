import { createServer } from 'node:net';
import { Aedes } from 'aedes';

/** The aedes peer: its defaults, one process. */
const broker = await Aedes.createBroker();
createServer(broker.handle).listen(Number(process.argv[2]), '127.0.0.1');
