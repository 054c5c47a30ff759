import {spawn, type ChildProcess} from 'node:child_process';
import {createInterface} from 'node:readline';
import {z} from 'zod';

const answerSchema = z.object({
  seconds: z.number().optional(),
  /** Processor seconds. */
  cpu: z.number().optional(),
  bytes: z.number().optional(),
  loss: z.number().optional(),
  ids: z.array(z.number()).optional(),
});

/** A process that answers a line for each line. */
export class Side {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterableIterator<string>;

  constructor(
    readonly name: string,
    command: string,
    args: string[],
  ) {
    this.child = spawn(command, args, {stdio: ['pipe', 'pipe', 'inherit']});
    this.lines = createInterface({input: this.child.stdout!})[Symbol.asyncIterator]();
  }

  async ask(question: object): Promise<z.output<typeof answerSchema>> {
    this.child.stdin!.write(`${JSON.stringify(question)}\n`);
    const answer = await this.lines.next();
    if (answer.done) throw new Error(`${this.name} has ended`);
    return answerSchema.parse(JSON.parse(answer.value));
  }

  end(): void {
    this.child.stdin!.end();
  }
}

export const median = (values: number[]): number => [...values].sort((x, y) => x - y)[values.length >> 1]!;
