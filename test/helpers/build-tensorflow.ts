import {createHash} from 'node:crypto';
import {statSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

/**
 * Before all tests: where $ZTT_TEST_TENSORFLOW names a Python, the tensorflow engine is built against its TensorFlow,
 * once for every Python, and what the tests get is the data folder.
 */
export default async function buildTensorflow(): Promise<void> {
  const given = process.env.ZTT_TEST_TENSORFLOW;
  if (!given || !statSync(given).isFile()) return;
  const {installTensorflow} = await import('../../src/setup/index.js');
  const name = createHash('sha256').update(given).digest('hex').slice(0, 12);
  const data = join(tmpdir(), `ztt-test-tensorflow-${name}`);
  await installTensorflow({fromPip: given, env: {...process.env, XDG_DATA_HOME: data}});
  process.env.ZTT_TEST_TENSORFLOW = data;
  process.env.ZTT_TEST_TENSORFLOW_PYTHON = given;
}
