#include "../spool/secret.h"
