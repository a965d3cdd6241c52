// SPDX-License-Identifier: MulanPSL-2.0
/** The functions of snappyjs, which declares none. */
declare const snappy: {
  compress(bytes: Uint8Array): Uint8Array;
  uncompress(bytes: Uint8Array): Uint8Array;
};
export default snappy;
