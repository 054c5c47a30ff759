import type {Examination} from '../setup/index.js';
import {BaseCommand, format, table} from '../ui/index.js';

/** `ztt doctor`: what this machine has and lacks. */
export default class Doctor extends BaseCommand {
  static override summary =
    'Examine this machine: what ztt builds on, and what to do where something is missing.';
  static override description =
    'Looks at Node, the compiler, memory, disks, the Hub’s token and address, GPU drivers and libraries, and the ' +
    'engines, without the network. It exits with code 1 if something that ztt needs is missing or broken.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --json',
  ];

  override async run(): Promise<Examination> {
    await this.parse(Doctor);
    const {examine} = await import('../setup/index.js');
    const examination = await examine();
    this.print(examination);
    if (!examination.ok) process.exitCode = 1;
    return examination;
  }

  private print({ok, findings}: Examination): void {
    const columns = ['check', '', 'found'].map((title) => ({title}));
    this.log(
      table(
        columns,
        findings.map(({check, verdict, found}) => [check, verdict, found]),
      ),
    );
    const advised = findings.filter(({verdict}) => verdict !== 'ok');
    if (advised.length > 0) this.log('');
    for (const {check, advice} of advised) this.log(`${check}: ${advice}`);
    const failures = findings.filter(({verdict}) => verdict === 'failed').length;
    this.log(`\n${ok ? 'ztt works here.' : `${format.plural(failures, 'check')} failed.`}`);
  }
}
