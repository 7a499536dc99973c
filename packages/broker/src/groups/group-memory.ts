/** How much one member may say of itself, in all its protocols: some 40,000 topics of 50 characters, twice. */
export const MEMBER_METADATA_BYTES_MAX: number = 4 * 1024 * 1024;

/** How much all members of all groups of a coordinator may say of themselves. */
export const ALL_METADATA_BYTES_MAX: number = 256 * 1024 * 1024;

/** What the members of all groups of a coordinator have said of themselves, in bytes that are kept. */
export class GroupMemory {
  bytes = 0;

  hasRoomFor(bytes: number): boolean {
    return this.bytes + bytes <= ALL_METADATA_BYTES_MAX;
  }
}
