import {execFile} from 'node:child_process';
import {createHash} from 'node:crypto';
import {chmod, mkdir, readFile, symlink, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {promisify} from 'node:util';
import {BINDING_PACKAGE} from '../../src/setup/binding-package.js';
import type {TempFolder} from '../helpers/temp.js';

const execute = promisify(execFile);

/** Programs that an install runs, besides Python and npm. */
const TOOLS = ['sh', 'cat', 'cp', 'ls', 'gzip', 'tar', 'node', 'c++', 'ld', 'as'];

/** Writes files by their paths, making folders for them. */
export async function writeFiles(root: string, files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), {recursive: true});
    await writeFile(join(root, path), text);
  }
}

/** A folder of programs that is a whole PATH: links to these of the system. */
export async function makePath(folder: string, tools: readonly string[] = TOOLS): Promise<string> {
  await mkdir(folder, {recursive: true});
  for (const tool of tools) {
    const {stdout} = await execute('sh', ['-c', `command -v ${tool}`]);
    await symlink(tool === 'node' ? process.execPath : stdout.trim(), join(folder, tool));
  }
  return folder;
}

/** A program that is a shell script. */
export async function makeProgram(folder: string, name: string, script: string): Promise<string> {
  const path = join(folder, name);
  await mkdir(folder, {recursive: true});
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

/** A `python` that says what a real one would of its TensorFlow. */
export const makePython = (folder: string, tensorflow: {folder: string | null; version: string | null}) =>
  makeProgram(folder, 'python', `cat <<'END'\n${JSON.stringify(tensorflow)}\nEND`);

const BINDING = `
#include <cstdlib>
#include <node_api.h>
#include "tensorflow/c/c_api.h"
static napi_value Gpu(napi_env env, napi_callback_info) {
  napi_value there;
  napi_get_boolean(env, std::getenv("ZTT_TEST_FAKE_GPU") != nullptr, &there);
  return there;
}
NAPI_MODULE_INIT() {
  napi_value version, gpu;
  napi_create_string_utf8(env, TF_Version(), NAPI_AUTO_LENGTH, &version);
  napi_set_named_property(env, exports, "TF_Version", version);
  napi_create_function(env, "isUsingGpuDevice", NAPI_AUTO_LENGTH, Gpu, nullptr, &gpu);
  napi_set_named_property(env, exports, "isUsingGpuDevice", gpu);
  return exports;
}
`;

const BACKEND = `
const {KernelBackend} = require('@tensorflow/tfjs');
exports.NodeJSKernelBackend = class extends KernelBackend {
  constructor(binding) {
    super();
    this.binding = binding;
    this.isUsingGpuDevice = binding.isUsingGpuDevice();
  }
};
`;

/**
 * A package as small as can be that is built and loaded as tfjs-node is, and an `npm` on the PATH that has it. From
 * then on it is the package that ztt knows.
 */
export async function makePackage(temp: TempFolder, path: string, binding = BINDING): Promise<void> {
  await writeFiles(temp.path('npm', 'package'), {
    'package.json': '{}',
    'binding/tfjs_binding.cc': binding,
    'dist/proto/api_pb.js': "require('google-protobuf');",
    'dist/register_all_kernels.js': '',
    'dist/nodejs_kernel_backend.js': `require('./proto/api_pb');${BACKEND}`,
  });
  const tarball = temp.path('npm', 'tfjs-node.tgz');
  await execute('tar', ['-czf', tarball, '-C', temp.path('npm'), 'package']);
  BINDING_PACKAGE.sha512 = createHash('sha512')
    .update(await readFile(tarball))
    .digest('base64');
  await makeProgram(path, 'npm', `cp '${tarball}' "$4"`);
}

/** What the binding includes. */
const HEADERS = {
  'include/tensorflow/c/c_api.h': '#pragma once\nextern "C" const char *TF_Version(void);\n',
  'include/tensorflow/c/eager/c_api.h': '',
  'include/tensorflow/core/platform/ctstring_internal.h': '',
};

/** A libtensorflow that knows its version, unpacked as the official one. */
export async function makeLibrary(folder: string, version = '2.18.0'): Promise<string> {
  await writeFiles(folder, HEADERS);
  await makeSharedLibraries(join(folder, 'lib'), 'tensorflow', version);
  return folder;
}

/** The same as a pip-installed TensorFlow holds it. */
export async function makeWheel(folder: string, version = '2.18.0'): Promise<string> {
  await writeFiles(folder, HEADERS);
  await makeSharedLibraries(folder, 'tensorflow_cc', version);
  return folder;
}

async function makeSharedLibraries(folder: string, name: string, version: string): Promise<void> {
  const source = `extern "C" const char *TF_Version(void) { return "${version}"; }\n`;
  await writeFiles(folder, {'version.cc': source});
  for (const file of [name, 'tensorflow_framework'].map((part) => `lib${part}.so.2`)) {
    const args = ['-shared', '-fPIC', join(folder, 'version.cc'), `-Wl,-soname,${file}`];
    await execute('c++', [...args, '-o', join(folder, file)]);
  }
}
