/** As whom a member speaks to its group. Outside of a group's generations: generation -1 and no member. */
export interface MemberIdentity {
  readonly memberId: string;
  readonly generationId: number;
}

/** Who commits without being a member: any group without members takes that, and any group in a transaction. */
export const NOBODY: MemberIdentity = { memberId: '', generationId: -1 };
