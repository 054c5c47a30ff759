/** Fetches the model that its argument names, as another process: prints its path, or the error's message. */
import {fetchModel} from '../../../dist/hub/index.js';

const say = (text) => process.stdout.write(`${text}\n`);
try {
  const {path} = await fetchModel(process.argv[2], {
    onProgress: (done) => say(`bytes ${done}`),
    onNote: (line) => say(`note ${line}`),
  });
  say(`path ${path}`);
} catch (error) {
  say(`error ${error.message}`);
}
