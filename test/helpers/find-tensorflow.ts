import {existsSync} from 'node:fs';
import {tensorflowFolder} from '../../src/engine/index.js';

/**
 * What tests of the tensorflow engine run on: a data folder (as $XDG_DATA_HOME) into which `ztt engines install
 * tensorflow` has built. $ZTT_TEST_TENSORFLOW names it, or a Python with TensorFlow in it, from which
 * `build-tensorflow.ts` makes one. Undefined where they are skipped.
 */
export const TENSORFLOW = process.env.ZTT_TEST_TENSORFLOW || undefined;

/** For the name of a test that is skipped. */
export const TENSORFLOW_HINT = TENSORFLOW ? '' : ' (needs $ZTT_TEST_TENSORFLOW)';

/** The Python that was named, if one was. */
export const TENSORFLOW_PYTHON = process.env.ZTT_TEST_TENSORFLOW_PYTHON;

/** Makes the tensorflow engine startable in this process. */
export function setUpTensorflow(): void {
  process.env.XDG_DATA_HOME = TENSORFLOW;
  if (!existsSync(tensorflowFolder())) throw new Error(`${TENSORFLOW} holds no tensorflow engine`);
}
