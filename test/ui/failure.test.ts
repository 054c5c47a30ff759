import {describe, expect, it} from 'vitest';
import {UsageError} from '../../src/errors.js';
import {failureOf} from '../../src/ui/failure.js';

describe('an error', () => {
  it('is told in one printable line, of bounded length', () => {
    const {message} = failureOf(new UsageError(`a\n\tb \u001b[31mred\u0007 ${'x'.repeat(5000)}`));
    expect(message).toMatch(/^a b \[31mred x+…$/);
    expect(message.length).toBeLessThan(2100);
  });

  it('of the system is told as the system does, and any other is a bug', () => {
    const denied = Object.assign(new Error("EACCES: permission denied, open 'x'"), {
      code: 'EACCES',
      syscall: 'open',
    });
    expect(failureOf(denied)).toMatchObject({message: "EACCES: permission denied, open 'x'", exitCode: 1});
    const bug = failureOf(new TypeError('x is undefined'));
    expect(bug.message).toMatch(/^TypeError: x is undefined\.? This is a bug in ztt; .*DEBUG=1/);
    expect(bug).toMatchObject({name: 'InternalError', exitCode: 1});
  });
});
