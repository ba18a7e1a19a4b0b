#include "executorch/standin.h"
