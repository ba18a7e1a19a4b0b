// A sample app's module: vkdelegate.aar (scripts/aar.sh) lies in libs/, the model in src/main/assets/.
plugins {
    id("com.android.application")
    kotlin("android")
}

android {
    namespace = "io.vkdelegate.sample"
    compileSdk = 35
    defaultConfig {
        minSdk = 28
        ndk { abiFilters += "arm64-v8a" }
    }
    androidResources { noCompress += "pte" } // so that it can be mapped
}

dependencies {
    implementation(files("libs/vkdelegate.aar"))
}
