// `npm run build`: the native addon and the compiled package, without running anything.

import { bootstrap } from './bootstrap.mjs';

bootstrap();
