/** What each call takes: which role, and on what. */
import type { Input, Route } from '../api/contract.ts';
import type { Named, Role } from '../api/roles.ts';
import { handlers } from './handlers.ts';

/** A role on a topic or a group; on the cluster as a whole without one. */
export interface Need {
  readonly role: Role;
  readonly named?: Named | undefined;
}

/** Everybody who has logged in may ask for these, and is told of what he may see; what topics can be told is no secret. */
const FILTERED: ReadonlySet<Route> = new Set<Route>([
  'GET /api/session',
  'GET /api/clusters/:cluster/topics',
  'GET /api/clusters/:cluster/topic-figures',
  'GET /api/clusters/:cluster/groups',
  'GET /api/clusters/:cluster/new-topic-configs',
]);

/** All that a call takes. */
export function needsOf(route: Route, input: unknown): Need[] {
  if (FILTERED.has(route)) return [];
  // The check of the route has made sure that names are text.
  const { topic, group, to } = input as { topic?: string; group?: string; to?: string };
  const role = roleOf(route, input);
  if (route.endsWith('/copy')) return [onTopic('viewer', topic), onTopic(role, to)];
  if (group !== undefined) {
    const needs: Need[] = [{ role, named: { on: 'group', name: group } }];
    return topic === undefined ? needs : [...needs, onTopic('viewer', topic)];
  }
  return topic === undefined ? [{ role }] : [onTopic(role, topic)];
}

function onTopic(role: Role, name = ''): Need {
  return { role, named: { on: 'topic', name } };
}

/** The role that this call takes: looking at where a reset would go takes none of its own. */
function roleOf(route: Route, input: unknown): Role {
  if (route === 'POST /api/clusters/:cluster/groups/:group/reset') {
    return (input as Input<typeof route>).dryRun ? 'viewer' : 'editor';
  }
  return handlers[route].role;
}

/** Whether a call changes something of a cluster: to look where a change would lead, and to end what one reads oneself, does not. */
export function isChange(route: Route, input: unknown): boolean {
  if (route.startsWith('GET ') || route === 'POST /api/clusters/:cluster/topics/:topic/exports/:id/stop') return false;
  const { dryRun, validateOnly } = input as { dryRun?: boolean; validateOnly?: boolean };
  return dryRun !== true && validateOnly !== true;
}
