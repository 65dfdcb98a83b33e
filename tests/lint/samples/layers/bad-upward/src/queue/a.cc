#include "mailroot/deliver/a.h"
