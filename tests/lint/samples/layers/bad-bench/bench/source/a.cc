#include "mailroot/base/a.h"
