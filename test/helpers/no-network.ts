/** Tests reach this machine only: a fetch to any other host is a bug in the test. */
const realFetch = globalThis.fetch;
globalThis.fetch = (input, init) => {
  const url = new URL(input instanceof Request ? input.url : String(input));
  if (!['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)) {
    throw new Error(`a test tried to reach ${url.hostname}`);
  }
  return realFetch(input, init);
};
