import {ZttError} from '../../errors.js';
import {findEndpoint, findToken, isOffline, type Environment} from '../../hub/index.js';
import type {ExaminedMachine, Finding} from '../finding.js';

/** The Hub's token and address, and what stands between. Nothing is asked of the network, and no token told. */
export async function hubChecks({env, node}: ExaminedMachine): Promise<Finding[]> {
  return [await token(env), endpoint(env), proxy(env, node)];
}

async function token(env: Environment): Promise<Finding> {
  const check = 'Hub token';
  const get = 'get one at huggingface.co/settings/tokens and set HF_TOKEN, or run `hf auth login`';
  try {
    const found = await findToken(undefined, env);
    if (!found) {
      const advice = `to push, and for models that are not public: ${get}.`;
      return {check, verdict: 'warning', found: 'none', advice};
    }
    if (found.value.startsWith('hf_')) return {check, verdict: 'ok', found: `in ${found.from}`};
    const advice = `tokens of the public Hub begin with hf_; if yours is of another, this is well, else ${get}.`;
    return {check, verdict: 'warning', found: `in ${found.from}, of another form`, advice};
  } catch (error) {
    return failed(check, error, 'unusable');
  }
}

function endpoint(env: Environment): Finding {
  const check = 'Hub address';
  try {
    const address = findEndpoint(undefined, env);
    if (!isOffline(env)) return {check, verdict: 'ok', found: address};
    const advice = 'HF_HUB_OFFLINE is set: only what is in the cache is used; unset it to reach the Hub.';
    return {check, verdict: 'warning', found: `${address}, offline`, advice};
  } catch (error) {
    return failed(check, error, 'not an address');
  }
}

const PROXIES = ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY'].flatMap((name) => [name, name.toLowerCase()]);
/** The first Node that can be told to use a proxy. */
const NODE_WITH_PROXY = 24;

function proxy(env: Environment, node: string): Finding {
  const check = 'proxy';
  // Its value is not told: there may be a password in it.
  const names = PROXIES.filter((name) => env[name]);
  if (names.length === 0) return {check, verdict: 'ok', found: 'none set'};
  const used = Number(node.split('.')[0]) >= NODE_WITH_PROXY && env.NODE_USE_ENV_PROXY === '1';
  if (used) return {check, verdict: 'ok', found: `${names.join(', ')}, used`};
  return {
    check,
    verdict: 'warning',
    found: `${names.join(', ')} set, and not used`,
    advice: `Node asks a proxy from version ${NODE_WITH_PROXY} on, where NODE_USE_ENV_PROXY is 1; without, ztt reaches the Hub directly or not at all.`,
  };
}

function failed(check: string, error: unknown, found: string): Finding {
  if (!(error instanceof ZttError)) throw error;
  return {check, verdict: 'failed', found, advice: error.message};
}
