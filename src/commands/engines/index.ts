import type {EngineStatus} from '../../engine/index.js';
import {BaseCommand, table} from '../../ui/index.js';

/** `ztt engines`: what can compute here. */
export default class Engines extends BaseCommand {
  static override summary = 'List the engines: which can compute on this machine, and why others cannot.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --json',
  ];

  override async run(): Promise<EngineStatus[]> {
    await this.parse(Engines);
    const {listEngines} = await import('../../engine/index.js');
    const engines = await listEngines();
    const columns = ['engine', 'available', 'version', 'threads', 'device'].map((title) => ({title}));
    this.log(
      table(
        columns,
        engines.map(({name, info}) =>
          info ? [name, 'yes', info.version, String(info.threads), info.device] : [name, 'no', '', '', ''],
        ),
      ),
    );
    const missing = engines.filter(({reason}) => reason !== null);
    if (missing.length > 0) this.log('');
    for (const {reason} of missing) this.log(reason!);
    return engines;
  }
}
