/** A Blob that tells how many of its bytes were read as a stream; sized and read like the one inside. */
class CountedBlob extends Blob {
  constructor(
    private readonly inner: Blob,
    private readonly onRead: (bytes: number) => void,
  ) {
    super();
  }

  override get size(): number {
    return this.inner.size;
  }

  override stream(): ReturnType<Blob['stream']> {
    const {onRead} = this;
    const count = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        onRead(chunk.byteLength);
        controller.enqueue(chunk);
      },
    });
    return this.inner.stream().pipeThrough(count);
  }
}

/**
 * A fetch that streams Blobs it PUTs and tells how many bytes went out; Node's own reports none, and keeps a
 * copy of the whole body in memory in case of a redirect. So an upload that is redirected fails.
 * @param onBytes called with each chunk's bytes; with a negative number, what a failed request had sent.
 */
export function streamUploads(inner: typeof fetch, onBytes: (bytes: number) => void): typeof fetch {
  return async (input, init) => {
    const body = init?.body;
    if (init?.method !== 'PUT' || !(body instanceof Blob)) return inner(input, init);
    let sent = 0;
    const add = (bytes: number) => {
      sent += bytes;
      onBytes(bytes);
    };
    try {
      const counted = new CountedBlob(body, add);
      // Both together: Node copies no body only where no redirect and no window could ask for it again.
      const response = await inner(input, {...init, body: counted, redirect: 'error', window: null});
      if (!response.ok) add(-sent);
      return response;
    } catch (error) {
      add(-sent);
      throw error;
    }
  };
}
