// The resources of operators in rendered overlays, against the schemas of their CRDs: `node check.mjs FILE.yaml…`.
//
// Of the Prometheus operator and of KEDA; kubernetes-validate knows those of Kubernetes itself. scripts/ops.sh copies it
// to where the schemas are.

import { readFileSync } from 'node:fs';
import { loadAll } from 'js-yaml';
import * as keda from '@kubernetes-models/keda/keda.sh/v1alpha1';
import * as prometheus from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';

const models = { 'monitoring.coreos.com/v1': prometheus, 'keda.sh/v1alpha1': keda };
let checked = 0;
let wrong = 0;
for (const file of process.argv.slice(2)) {
  for (const resource of loadAll(readFileSync(file, 'utf8'))) {
    const Model = models[resource?.apiVersion]?.[resource.kind];
    if (!Model) continue;
    checked += 1;
    try {
      new Model(resource).validate();
    } catch (error) {
      wrong += 1;
      console.error(`${file}: ${resource.kind} ${resource.metadata?.name}: ${error.message}`);
    }
  }
}
console.log(`${checked} resources of operators`);
process.exit(wrong || !checked ? 1 : 0);
