/** Preloaded with `node --import`: any import of tfjs ends the process. help.test.ts uses it. */
import {register} from 'node:module';

const hook = `export async function resolve(specifier, context, next) {
  if (specifier.startsWith('@tensorflow/')) throw new Error('imported ' + specifier);
  return next(specifier, context);
}`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);
