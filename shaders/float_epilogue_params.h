/* shaders/float_epilogue.glsl: steps behind a product of floats. */
#ifndef VKD_SHADERS_FLOAT_EPILOGUE_PARAMS_H
#define VKD_SHADERS_FLOAT_EPILOGUE_PARAMS_H

#include "chain_params.h"

/* Slots: the sum, the residual, the steps' results, the number that a step has in place of an
 * operand. */
#define EPILOGUE_SUM 0
#define EPILOGUE_RESIDUAL 1
#define EPILOGUE_INPUTS 2
#define EPILOGUE_STEPS 4
#define EPILOGUE_NUMBER (EPILOGUE_INPUTS + EPILOGUE_STEPS)

/* How many specialisation constants it has. */
#define EPILOGUE_SPECS (2 + EPILOGUE_STEPS)

#endif
