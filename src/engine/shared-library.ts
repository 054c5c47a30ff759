/** Whether the system finds a shared library by its name: it is no addon, and Node says so once it is loaded. */
export function hasSharedLibrary(name: string): boolean {
  try {
    process.dlopen({exports: {}}, name);
    return true;
  } catch (error) {
    return !/cannot open shared object|no such file|image not found/i.test((error as Error).message);
  }
}
