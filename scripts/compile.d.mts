/** Brings dist/ up to date with src/, both in `root`: by default the repository. */
export function compile(root?: string): Promise<void>;
