#include "mailroot/base/absent.h"
