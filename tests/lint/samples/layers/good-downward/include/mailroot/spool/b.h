#pragma once
#include <vector>

#include "mailroot/base/a.h"
