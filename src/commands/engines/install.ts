import {Args} from '@oclif/core';
import type {InstallReport} from '../../setup/index.js';
import {INSTALL_OPTIONS} from '../../setup/options.js';
import {BaseCommand, facts, flagsOf, format, optionsOf} from '../../ui/index.js';

/** `ztt engines install`: an engine that must be built for this machine. */
export default class Install extends BaseCommand {
  static override summary = 'Set up an engine that is built for this machine.';
  static override description =
    "The tensorflow engine is tfjs-node's binding. ztt compiles its sources from npm against a libtensorflow: that of a " +
    'pip-installed TensorFlow 2.x (with CUDA: pip install tensorflow[and-cuda]), that of a folder, or the official ' +
    "archive. This needs a C++ compiler and npm, writes into the user's data folder, and changes nothing else.";
  static override examples = [
    {
      description: 'Against the TensorFlow of the Python on the PATH',
      command: '<%= config.bin %> <%= command.id %> tensorflow',
    },
    {
      description: 'Against that of a virtual environment',
      command: '<%= config.bin %> <%= command.id %> tensorflow --from-pip venv/bin/python',
    },
    {
      description: 'Against the official libtensorflow',
      command: '<%= config.bin %> <%= command.id %> tensorflow --download',
    },
  ];

  static override args = {
    engine: Args.string({description: 'The engine.', options: ['tensorflow'], required: true}),
  };

  static override flags = flagsOf(INSTALL_OPTIONS);

  override async run(): Promise<InstallReport> {
    const {flags} = await this.parse(Install);
    const {installTensorflow} = await import('../../setup/index.js');
    const signal = this.interruptible('stopped; nothing was installed.');
    const progress = await this.progress({title: 'Looking for TensorFlow', amount: format.bytes});
    const report = await installTensorflow({
      ...optionsOf(INSTALL_OPTIONS, flags),
      signal,
      onPhase: (phase) => progress.begin(phase),
      onBytes: (done, total) => progress.update(done, total),
    });
    progress.stop();
    this.print(report);
    return report;
  }

  private print({folder, tensorflow, gpu, source, built}: InstallReport): void {
    this.log(folder);
    this.log(
      facts([
        ['TensorFlow', `${tensorflow}, of ${source.from}${built ? '' : '; it was set up already'}`],
        ['computes on', gpu ? 'a CUDA GPU' : 'the CPU'],
        ['try it', '`ztt engines`, or `--engine tensorflow`'],
      ]),
    );
  }
}
