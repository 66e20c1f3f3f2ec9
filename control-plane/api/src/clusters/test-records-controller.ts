import { Controller } from '@nestjs/common';
import { TEST_RECORD } from '@robustmq/contracts';
import { AgentViews } from '../agents/agent-views.ts';
import { ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { TenantWrite } from '../http/tenant-write.ts';

/** Records on their way at once in this process: each holds a connection of the database until its node has answered. */
const AT_ONCE_MAX = 4;

type Body = RouteInput<'produceRecord'>['body'];

/** One record at a time into a topic, for testing. What is in it is neither kept nor written down here. */
@Controller()
export class TestRecordsController {
  readonly #views: AgentViews;
  readonly #write: TenantWrite;
  #underWay = 0;
  constructor(views: AgentViews, write: TenantWrite) {
    this.#views = views;
    this.#write = write;
  }

  @Route('produceRecord')
  async produce(@Input() input: RouteInput<'produceRecord'>): Promise<RouteOutput<'produceRecord'>> {
    const { params, body } = input;
    const topic = params.topicName;
    const query = queryOf(topic, body);
    if (this.#underWay >= AT_ONCE_MAX)
      throw new ProblemError('unavailable', {
        ...{ detail: 'Too many test records are on their way: use a client.', headers: { 'retry-after': '1' } },
      });
    this.#underWay += 1;
    try {
      // asked inside of the write: a repetition with the same Idempotency-Key meets its lock, or its answer
      const { answer } = await this.#write.run(input, 'record.produce', async () => {
        const reply = await this.#views.ask(params, 'produce', query);
        const { clusterId } = params;
        const detail = { clusterId, topic, partition: reply.partition, offset: reply.offset };
        return { answer: { topic, ...reply }, target: { type: 'topic', id: `${clusterId}/${topic}` }, detail };
      });
      return answer;
    } finally {
      this.#underWay -= 1;
    }
  }
}

function queryOf(topic: string, body: Body) {
  const { keyBytesMax, valueBytesMax, headerBytesMax } = TEST_RECORD;
  const { key, value, headers, encoding, partition, asPrincipal } = body;
  return {
    topic,
    key: key === undefined ? null : base64Of(key, encoding, '/key', keyBytesMax),
    value: value === undefined ? null : base64Of(value, encoding, '/value', valueBytesMax),
    headers: headers.map((one, n) => ({
      name: one.name,
      value: base64Of(one.value, encoding, `/headers/${n}/value`, headerBytesMax),
    })),
    ...(partition === undefined ? {} : { partition }),
    ...(asPrincipal === undefined ? {} : { principal: asPrincipal }),
  };
}

/** The bytes a text stands for, as base64. Throws `validation-failed`, and `payload-too-large` above the limit. */
function base64Of(text: string, encoding: Body['encoding'], pointer: string, bytesMax: number): string {
  const wrong = (detail: string): ProblemError =>
    new ProblemError('validation-failed', { errors: [{ pointer, detail }] });
  if (encoding === 'hex' && !/^(?:[0-9a-f]{2})*$/i.test(text)) throw wrong('is not hexadecimal, two digits a byte');
  if (encoding === 'base64' && !/^(?:[\w+/]{4})*(?:[\w+/]{2}==|[\w+/]{3}=)?$/.test(text)) throw wrong('is not base64');
  const bytes = Buffer.from(text, encoding === 'text' ? 'utf8' : encoding);
  if (bytes.length > bytesMax)
    throw new ProblemError('payload-too-large', {
      detail: `${pointer.slice(1)} has ${bytes.length} bytes; a test record takes ${bytesMax}. Use a client for more.`,
    });
  return bytes.toString('base64');
}
