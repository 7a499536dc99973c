import { seededRandom } from '@millrace/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encoderFault, PasswordEncoder, type PasswordEncoderSettings } from './password-encoder.ts';

const SETTINGS: PasswordEncoderSettings = {
  secret: 'the secret',
  oldSecret: null,
  keyFactory: 'PBKDF2WithHmacSHA512',
  cipher: 'AES/CBC/PKCS5Padding',
  keyLength: 128,
  iterations: 4096,
};

const encoderWith = (settings: Partial<PasswordEncoderSettings> = {}, seed = 1): PasswordEncoder =>
  new PasswordEncoder({ ...SETTINGS, ...settings }, seededRandom(seed));

/** Written by `EncryptingPasswordEncoder` of Kafka 3.9.1 with the secret `the secret`. */
const CAPTURED: readonly [password: string, encoded: string][] = [
  [
    'keystore-pw',
    'initializationVector:DeVwxCmvp/Mdgel9RbW94g==,keyLength:128,salt:A9Mossx89BMBOtIbjalyYtRl6XLpn4Y2HV4EdFGlen+M8Na3QYelDF5LtdhChcEzoKcF9oQhmXgrWa+8vtmloH5//kwtQ7EwHm/N+BZ5q8yBcZUEahX1fjLllyTjt/IpyeWMUbRmMiy93rwAiMWv4zGOF1NYLyX/ZNitB6sVmz4lM27LHdL2oitXVlAPcQDeioWs5C0LUgZBBa7/gxsZnimUSHT4qcxYC8hhb+/8FH/34ia1xBcNNkwiYjQYbGNRM/KZ5hFuvHYmIXlfaY5BQRm/MGMwPdsuY3PkXAfE4qJ+A8ZGtO2OQIoSmnY2MCLliTLYAGRzh02EV0Ew6iqA5w==,keyFactoryAlgorithm:PBKDF2WithHmacSHA512,cipherAlgorithm:AES/CBC/PKCS5Padding,iterations:4096,passwordLength:11,encryptedPassword:f9+Jv6KwBvXEs1EXrVsrpg==',
  ],
  [
    'pä,ss:word\nnext',
    'initializationVector:p4FPqobgnFD8vkOaGkIcEg==,keyLength:128,salt:J+tJ+MJNxcK2UehN2NWfKNU9S38xexrVxJ3tw6nnxYDNirIl4UzaJEIdUO7+sp2MddWoYetKgZ+JHE2qC9Ky+1KY7sSRJ8ltutu3Zps6c8nGTzOwlF8rCGb9loALNCRkrSFSEkfIz9gtI9wCEg4+/xqDZBKRYZHuWO7yV0dht68jLFOXAJYexL1wFAb3Ur5eJG7B9Y7ZjgmOV0a1iI8fCFlLiCoTYVdXPWFKkgnjP12/SPyIaTqBEpv50r+TmNAI9pqgZ+8Lxnk9NMcKS0rzFq9SxaNaOoyB1vimBZNCAUagTD0eOUcHU3x4jhRt2m7H7OdYhNZ7tOs9i1NO2SVSBg==,keyFactoryAlgorithm:PBKDF2WithHmacSHA512,cipherAlgorithm:AES/CBC/PKCS5Padding,iterations:4096,passwordLength:15,encryptedPassword:U5vcrzLMEU88li7jWRKoQlvnV1aiEhWfvts6aVqte/4=',
  ],
  [
    'keystore-pw',
    'initializationVector:x8KUSwiYZZx97R+V,keyLength:256,salt:fxs9rOGufmvj7h48xO/KJcgOosbxTvdOCPrUPOGZW4sw/x8o/BqY+gtKZWu5mn71i6uEX/Wa13YsxjWl7Hcdzuf8PJGKOAAi+IgW+4BOKvJ5ubLRkM8v9QUXsqTvYhiB2m9iyANgwcFgOhDYuodmMhahG3rY9vLC/9qPYTqPMk/kyvK0XaEE5c6MZGHlM+t1XOQUdZN0VmmDkrY2beZA0EfMr3x6QH+04d6UqaHOm1YgztwkiAi7g6rd+tWymWN+Mhwzdb0dI6q7SIa7PcdVo5B6GmPrd3bbl2cQCNYrwIdXyWEEB3XDkpuGQlM9NjfRKn5wvEcv0ri+KMju33zjXQ==,keyFactoryAlgorithm:PBKDF2WithHmacSHA1,cipherAlgorithm:AES/GCM/NoPadding,authenticationTagLength:128,iterations:1024,passwordLength:11,encryptedPassword:PH9DclXcILHkqt+JyXR8JjCXWsqFLIuArL/N',
  ],
];

describe('passwords in the metadata store', () => {
  it.each(CAPTURED)('are read as Kafka 3.9.1 has encoded them: %j', async (password, encoded) => {
    expect(await encoderWith().decode(encoded)).toEqual({ password, isOld: false });
    expect(await encoderWith({ secret: 'a new one', oldSecret: 'the secret' }).decode(encoded)).toEqual({
      password,
      isOld: true,
    });
    await expect(encoderWith({ secret: 'another' }).decode(encoded)).rejects.toThrow('with another secret');
  });

  it('come back whatever is in them and however they are encoded, and look different each time', async () => {
    const settings = fc.record({
      keyFactory: fc.constantFrom('PBKDF2WithHmacSHA1', 'PBKDF2WithHmacSHA256', 'PBKDF2WithHmacSHA512'),
      cipher: fc.constantFrom('AES/CBC/PKCS5Padding', 'AES/GCM/NoPadding'),
      keyLength: fc.constantFrom(128, 192, 256),
      iterations: fc.constantFrom(1, 16),
    });
    const property = fc.asyncProperty(
      settings,
      fc.string({ unit: 'grapheme' }),
      fc.nat(),
      async (own, password, seed) => {
        const encoder = encoderWith(own, seed);
        const encoded = await encoder.encode(password);
        expect(await encoder.encode(password)).not.toBe(encoded);
        // What is read says how it was encoded, whatever the settings are by now.
        expect(await encoderWith().decode(encoded)).toEqual({ password, isOld: false });
      },
    );
    await fc.assert(property, { numRuns: 60 });
  });

  it('have the fields of Kafka’s, and nothing of the password in them', async () => {
    const names = (text: string): string[] => text.split(',').map((part) => part.slice(0, part.indexOf(':')));
    for (const [index, cipher] of ['AES/CBC/PKCS5Padding', 'AES/CBC/PKCS5Padding', 'AES/GCM/NoPadding'].entries()) {
      const encoded = await encoderWith({ cipher }).encode('keystore-pw');
      expect(names(encoded).toSorted()).toEqual(names(CAPTURED[index]?.[1] ?? '').toSorted());
      expect(encoded).not.toContain('keystore');
    }
  });

  it('are refused where they are anything else, without a word of what was there, and without an hour of work', async () => {
    const [, encoded] = CAPTURED[0] as (typeof CAPTURED)[0];
    for (const damaged of [
      'hidden',
      '',
      encoded.replace('iterations:4096', 'iterations:2000000000'),
      encoded.replace('iterations:4096', 'iterations:-1'),
      encoded.replace('keyLength:128', 'keyLength:8'),
      encoded.replace('AES/CBC', 'RC4'),
      encoded.replace('passwordLength:11', 'passwordLength:12'),
      encoded.replace(/encryptedPassword:.*/, 'encryptedPassword:hidden'),
    ]) {
      const refused = encoderWith().decode(damaged);
      await expect(refused).rejects.toThrow(/^it (is not encoded as Kafka does it|was encoded with another secret)$/);
    }
  });

  it.each([
    [{ keyFactory: 'Scrypt' }, 'password.encoder.keyfactory.algorithm'],
    [{ cipher: 'DES/CBC/PKCS5Padding' }, 'password.encoder.cipher.algorithm'],
    [{ keyLength: 100 }, 'password.encoder.key.length'],
    [{ iterations: 1_000_000 }, 'password.encoder.iterations'],
    [{}, undefined],
  ])('are encoded by what is known, and not by %o', (own, name) => {
    expect(encoderFault({ ...SETTINGS, ...own })?.name).toBe(name);
  });
});
