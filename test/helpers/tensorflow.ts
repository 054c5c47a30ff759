import {existsSync, statSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {installTensorflow} from '../../src/setup/index.js';

/**
 * What tests of the tensorflow engine run on, from $ZTT_TEST_TENSORFLOW: a Python with TensorFlow in it, or a data folder
 * (as $XDG_DATA_HOME) into which `ztt engines install tensorflow` has built. Undefined where they are skipped.
 */
export const TENSORFLOW = process.env.ZTT_TEST_TENSORFLOW || undefined;

/** For the name of a test that is skipped. */
export const TENSORFLOW_HINT = TENSORFLOW ? '' : ' (needs $ZTT_TEST_TENSORFLOW)';

/** The Python among these; undefined for a data folder. */
export const TENSORFLOW_PYTHON = TENSORFLOW && statSync(TENSORFLOW).isFile() ? TENSORFLOW : undefined;

/** Makes the tensorflow engine startable in this process; one that a Python must serve for is built once. */
export async function setUpTensorflow(): Promise<void> {
  if (TENSORFLOW === undefined) throw new Error('ZTT_TEST_TENSORFLOW is not set');
  process.env.XDG_DATA_HOME = TENSORFLOW_PYTHON ? join(tmpdir(), 'ztt-test-tensorflow') : TENSORFLOW;
  if (TENSORFLOW_PYTHON) await installTensorflow({fromPip: TENSORFLOW_PYTHON});
  if (!existsSync(process.env.XDG_DATA_HOME)) throw new Error(`there is no ${process.env.XDG_DATA_HOME}`);
}
