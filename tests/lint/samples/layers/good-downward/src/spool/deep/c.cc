#include "../own.h"
#include "mailroot/base/a.h"
#include "mailroot/spool/b.h"
