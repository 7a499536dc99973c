/** Loaded before every test file: in tests, what must always hold is looked at. */
import { checkInvariants } from '@millrace/ports';

checkInvariants();
