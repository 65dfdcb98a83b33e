#include <mailroot/queue/a.h>
